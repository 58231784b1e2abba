<?php
// The installer's settings, and Kask for the sessions. docker-compose.yml says where.
$wiki = getenv();
require "{$wiki['WIKI_DIRECTORY']}/LocalSettings.php";

$wgServer = 'http://' . ( $_SERVER['HTTP_HOST'] ?? 'localhost' );
$wgCacheDirectory = "{$wiki['WIKI_DIRECTORY']}/cache";
$wgMainCacheType = CACHE_DB;

$wgObjectCaches['sessions'] = [
	'class' => 'RESTBagOStuff',
	'url' => $wiki['WIKI_SESSIONS_URL'],
	'httpParams' => [ 'writeMethod' => 'POST', 'readHeaders' => [], 'deleteHeaders' => [],
		'writeHeaders' => [ 'content-type' => 'application/octet-stream' ] ],
	'serialization_type' => 'JSON',
	'hmac_key' => 'of a wiki for developers, and no secret',
	'extendedErrorBodyFields' => [ 'type', 'title', 'detail', 'instance' ],
];
$wgSessionCacheType = 'sessions';
// As default_ttl of ops/compose/kask.yaml.
$wgObjectCacheSessionExpiry = 86400;
