<?php
// The session store that a scenario asks for through the environment.
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
