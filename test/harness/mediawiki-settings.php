<?php
// The test wiki's settings: the installer's, then the session store of a scenario.
$scenario = getenv();
require "{$scenario['WIKI_DIRECTORY']}/LocalSettings.php";

$wgServer = 'http://' . ( $_SERVER['HTTP_HOST'] ?? '127.0.0.1' );
$wgCacheDirectory = "{$scenario['WIKI_DIRECTORY']}/cache";
$wgLocalisationCacheConf = [ 'store' => 'array' ] + $wgLocalisationCacheConf;
$wgMainCacheType = CACHE_DB;
// Jobs would run after a page was answered and add requests that belong to nobody's click.
$wgJobRunRate = 0;

require $scenario['WIKI_SESSION_SETTINGS'];

// In the group of the store, level debug has one line for each request that was answered.
$wgDebugLogGroups['sessions'] = "{$scenario['WIKI_DIRECTORY']}/sessions.log";
foreach ( [ 'error', 'exception', 'fatal' ] as $group ) {
	$wgDebugLogGroups[$group] = "{$scenario['WIKI_DIRECTORY']}/errors.log";
}
$wgDBerrorLog = "{$scenario['WIKI_DIRECTORY']}/errors.log";
