<?php

declare(strict_types=1);

namespace Kask;

/** @internal */
final readonly class Answer
{
    /** @param array<string, string> $headers by their names in lower case */
    public function __construct(
        public int $status,
        public array $headers,
        public string $body,
    ) {
    }

    /** `not_found` of a problem document (RFC 9457) of Kask's. */
    public function problem(): ?string
    {
        $type = json_decode($this->body, true)['type'] ?? null;
        return is_string($type) && preg_match('~/Kask/errors/(\w+)$~D', $type, $name) ? $name[1] : null;
    }
}
