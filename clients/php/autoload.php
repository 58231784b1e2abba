<?php

// For applications without Composer.

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Kask\\')) {
        require __DIR__ . '/src/' . substr($class, strlen('Kask\\')) . '.php';
    }
});
