<?php

declare(strict_types=1);

namespace Kask;

/** @internal */
final readonly class Answer
{
    /** Kask's word for it, which does not change: its other 404s are about paths. */
    private const ABSENT = 'The value you requested was not found';

    /** @param array<string, string> $headers by their names in lower case */
    public function __construct(
        public int $status,
        private array $headers,
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
        return $this->status === 404 && $this->problem() === 'not_found' && $this->member('detail') === self::ABSENT;
    }

    public function etag(): string
    {
        return $this->matching('etag', '/^[[:graph:]]+$/D');
    }

    public function ttlSeconds(): int
    {
        return (int) $this->matching('kask-ttl', '/^\d{1,9}$/D');
    }

    public function retryAfterMs(): ?int
    {
        $seconds = $this->headers['retry-after'] ?? '';
        return preg_match('/^\d{1,9}$/D', $seconds) ? 1_000 * (int) $seconds : null;
    }

    private function matching(string $name, string $pattern): string
    {
        $content = $this->headers[$name] ?? '';
        if (preg_match($pattern, $content)) {
            return $content;
        }
        throw new KaskProtocolError(
            "The answer has no $name: the service is older than this client, or something removes its headers",
            $this->status,
        );
    }

    private function member(string $name): mixed
    {
        return json_decode($this->body, true)[$name] ?? null;
    }
}
