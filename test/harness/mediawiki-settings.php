<?php
// The test wiki's settings: the installer's, then what a scenario asks for through the environment.
$scenario = getenv();
require "{$scenario['WIKI_DIRECTORY']}/LocalSettings.php";

$wgServer = 'http://' . ( $_SERVER['HTTP_HOST'] ?? '127.0.0.1' );
$wgCacheDirectory = "{$scenario['WIKI_DIRECTORY']}/cache";
$wgLocalisationCacheConf = [ 'store' => 'array' ] + $wgLocalisationCacheConf;
$wgMainCacheType = CACHE_DB;
// Jobs would run after a page was answered and add requests that belong to nobody's click.
$wgJobRunRate = 0;

$wgObjectCaches['sessions'] = [
	'class' => 'RESTBagOStuff',
	'url' => $scenario['WIKI_SESSIONS_URL'],
	'serialization_type' => $scenario['WIKI_SERIALIZATION'],
	'hmac_key' => 'a key of the test wiki',
	'extendedErrorBodyFields' => [ 'type', 'title', 'detail', 'instance' ],
	'loggroup' => 'sessions',
];
// PUT is what the client does when no parameters say otherwise, so that no header is written either.
if ( $scenario['WIKI_WRITE_METHOD'] !== 'PUT' ) {
	$wgObjectCaches['sessions']['httpParams'] = [
		'readHeaders' => [],
		'writeHeaders' => [ 'content-type' => 'application/octet-stream' ],
		'deleteHeaders' => [],
		'writeMethod' => $scenario['WIKI_WRITE_METHOD'],
	];
}
$wgSessionCacheType = 'sessions';

// In the group of the store, level debug has one line for each request that was answered.
$wgDebugLogGroups['sessions'] = "{$scenario['WIKI_DIRECTORY']}/sessions.log";
foreach ( [ 'error', 'exception', 'fatal' ] as $group ) {
	$wgDebugLogGroups[$group] = "{$scenario['WIKI_DIRECTORY']}/errors.log";
}
$wgDBerrorLog = "{$scenario['WIKI_DIRECTORY']}/errors.log";
