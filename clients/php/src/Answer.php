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
        $type = $this->member('type');
        return is_string($type) && preg_match('~/Kask/errors/(\w+)$~D', $type, $name) ? $name[1] : null;
    }

    public function isValue(): bool
    {
        return ($this->headers['content-type'] ?? '') === 'application/octet-stream';
    }

    /** Kask's own word that there is no such session: not that of a proxy, and not about a path that is nobody's. */
    public function isAbsence(): bool
    {
        return $this->status === 404 && $this->problem() === 'not_found' && $this->member('instance') !== '/';
    }

    private function member(string $name): mixed
    {
        return json_decode($this->body, true)[$name] ?? null;
    }
}
