<?php

declare(strict_types=1);

namespace Kask;

use SensitiveParameter;
use SessionHandlerInterface;
use SessionIdInterface;
use SessionUpdateTimestampHandlerInterface;

/**
 * PHP's sessions in Kask. A session that is not there is empty; one that cannot be read throws, so that PHP starts
 * no empty one in its place, and does not write it.
 */
final class KaskSessionHandler implements
    SessionHandlerInterface,
    SessionIdInterface,
    SessionUpdateTimestampHandlerInterface
{
    /** Of the lifetime: what is left when a session that only was read is renewed. */
    private const RENEW_BELOW = 0.9;
    /** As `session.serialize_handler` writes it: `php` and `php_binary` the first, `php_serialize` the other. */
    private const EMPTY = ['', 'a:0:{}'];

    /** @var array<string, ?StoredSession> by id; null if Kask has none */
    private array $known = [];
    private ?KaskException $failure = null;

    /**
     * @param string $prefix of the keys, by which Kask tells this application's sessions from others
     * @param bool $atomic whether Kask's configuration calls the namespace of this prefix `atomic`
     * @param ?int $ttlSeconds what `session.gc_maxlifetime` says, unless given
     */
    public function __construct(
        private readonly KaskClient $kask,
        private readonly string $prefix,
        private readonly bool $atomic = false,
        private readonly ?int $ttlSeconds = null,
    ) {
    }

    /** Has PHP keep its sessions here, and take up no id that Kask does not know: a stranger may have chosen it. */
    public function register(): void
    {
        ini_set('session.use_strict_mode', '1');
        session_set_save_handler($this);
    }

    public function open(string $path, string $name): bool
    {
        // PHP leaves out close() when an exception ends a session: what is known since then may be logged out.
        $this->known = [];
        $this->failure = null;
        return true;
    }

    public function create_sid(): string
    {
        $id = bin2hex(random_bytes(32));
        $this->known[$id] = null;
        return $id;
    }

    public function validateId(#[SensitiveParameter] string $id): bool
    {
        if (!preg_match('/^[A-Za-z0-9,-]{22,256}$/D', $id)) {
            return false;
        }
        try {
            return $this->load($id) !== null;
        } catch (KaskException $failure) {
            // To throw here or to say no has PHP send another id, and the user loses the session: read() throws it.
            $this->failure = $failure;
            return true;
        }
    }

    public function read(#[SensitiveParameter] string $id): string
    {
        if ($failure = $this->failure) {
            $this->failure = null;
            throw $failure;
        }
        return $this->load($id)->value ?? '';
    }

    public function write(#[SensitiveParameter] string $id, #[SensitiveParameter] string $data): bool
    {
        $before = $this->known[$id] ?? null;
        $ifMatch = $this->atomic ? $before?->etag : null;
        if (in_array($data, self::EMPTY, true)) {
            // An empty session and none are the same, and Kask keeps no empty values.
            return $before === null || $this->delete($id, $ifMatch);
        }
        // After a conflict the session is read anew.
        unset($this->known[$id]);
        $ttlSeconds = $this->lifetimeSeconds();
        $ifAbsent = $this->atomic && $before === null;
        $etag = $this->kask->set($this->prefix . $id, $data, $ttlSeconds, $ifMatch, $ifAbsent);
        $this->known[$id] = new StoredSession($data, $etag, $ttlSeconds);
        return true;
    }

    /** In place of write() for a session that is as it was read. One that was deleted meanwhile is not revived. */
    public function updateTimestamp(#[SensitiveParameter] string $id, #[SensitiveParameter] string $data): bool
    {
        $ttlSeconds = $this->lifetimeSeconds();
        $leftSeconds = ($this->known[$id] ?? null)?->ttlSeconds ?? 0;
        if ($data === '' || $leftSeconds > self::RENEW_BELOW * $ttlSeconds) {
            return true;
        }
        try {
            $this->kask->touch($this->prefix . $id, $ttlSeconds);
            return true;
        } catch (KaskException) {
            // Nothing is lost yet: a warning of PHP's, and no page that fails.
            return false;
        }
    }

    public function destroy(#[SensitiveParameter] string $id): bool
    {
        return $this->delete($id);
    }

    public function close(): bool
    {
        $this->known = [];
        return true;
    }

    /** Kask expires sessions itself. */
    public function gc(int $max_lifetime): int
    {
        return 0;
    }

    /** For error pages and var_dump(): neither ids nor values. */
    public function __debugInfo(): array
    {
        return ['prefix' => $this->prefix, 'atomic' => $this->atomic, 'ttlSeconds' => $this->ttlSeconds];
    }

    private function load(#[SensitiveParameter] string $id): ?StoredSession
    {
        if (!array_key_exists($id, $this->known)) {
            $this->known[$id] = $this->kask->get($this->prefix . $id);
        }
        return $this->known[$id];
    }

    private function delete(#[SensitiveParameter] string $id, ?string $ifMatch = null): bool
    {
        // One that fails may have been done.
        unset($this->known[$id]);
        if (!$this->kask->delete($this->prefix . $id, $ifMatch)) {
            error_log('Kask: a session ends in every datacenter as soon as each can be reached');
        }
        $this->known[$id] = null;
        return true;
    }

    private function lifetimeSeconds(): int
    {
        return $this->ttlSeconds ?? (int) ini_get('session.gc_maxlifetime');
    }
}
