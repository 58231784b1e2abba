<?php
// Replays calls on the configured RESTBagOStuff: a JSON array of [method, ...arguments] comes from standard
// input, and the array of results goes to standard output. {"base64": …} stands for a string of any bytes,
// {"bytes": …, "sha256": …} for the result that is too long to print in a failure.
require_once getenv( 'MW_INSTALL_PATH' ) . '/maintenance/Maintenance.php';

class RestBagOStuffCalls extends Maintenance {
	public function execute() {
		$calls = json_decode( file_get_contents( 'php://stdin' ), true, 512, JSON_THROW_ON_ERROR );
		$store = ObjectCache::getInstance( 'sessions' );
		$results = [];
		foreach ( $calls as $call ) {
			$results[] = self::call( $store, ...array_map( [ self::class, 'decode' ], $call ) );
		}
		fwrite( STDOUT, json_encode( $results, JSON_THROW_ON_ERROR ) );
	}

	private static function call( BagOStuff $store, string $method, ...$arguments ) {
		$before = $store->watchErrors();
		try {
			$result = $store->$method( ...$arguments );
		} catch ( InvalidArgumentException $refused ) {
			return [ 'refused' => $refused->getMessage() ];
		}
		return [ 'result' => self::encode( $result ), 'error' => $store->getLastError( $before ) ];
	}

	private static function decode( $value ) {
		if ( !is_array( $value ) ) {
			return $value;
		}
		return isset( $value['base64'] ) ? base64_decode( $value['base64'] ) : array_map( [ self::class, 'decode' ], $value );
	}

	private static function encode( $value ) {
		if ( is_string( $value ) && strlen( $value ) > 100000 ) {
			return [ 'bytes' => strlen( $value ), 'sha256' => hash( 'sha256', $value ) ];
		}
		if ( is_string( $value ) ) {
			return [ 'base64' => base64_encode( $value ) ];
		}
		return is_array( $value ) ? array_map( [ self::class, 'encode' ], $value ) : $value;
	}
}

$maintClass = RestBagOStuffCalls::class;
require_once RUN_MAINTENANCE_IF_MAIN;
