<?php

// Makes calls on session handlers: {clients: [options of KaskClient], handlers: [[client, prefix, atomic]],
// calls: [[handler, method, ...arguments]]} comes from standard input, the array of results goes to standard output.

declare(strict_types=1);

use Kask\KaskClient;
use Kask\KaskException;
use Kask\KaskSessionHandler;

require __DIR__ . '/../../clients/php/autoload.php';

$input = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
$clients = array_map(static fn (array $options): KaskClient => new KaskClient(...$options), $input['clients']);
$handlers = array_map(
    static fn (array $it): KaskSessionHandler => new KaskSessionHandler($clients[$it[0]], $it[1], $it[2] ?? false),
    $input['handlers'],
);
$results = [];
foreach ($input['calls'] as [$handler, $method, $arguments]) {
    try {
        $results[] = $handlers[$handler]->$method(...$arguments);
    } catch (KaskException $thrown) {
        $results[] = ['threw' => $thrown::class, 'message' => $thrown->getMessage()] + get_object_vars($thrown);
    }
}
echo json_encode($results, JSON_THROW_ON_ERROR);
