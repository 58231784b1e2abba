<?php

declare(strict_types=1);

namespace Kask;

use SensitiveParameter;

/** Reads and writes sessions. Absent is null or false, and whatever else is wrong is a KaskException. */
final class KaskClient
{
    private const TRIES = 2;
    private const SUCCESS = ['GET' => 200, 'PUT' => 201, 'PATCH' => 204, 'DELETE' => 204];
    /** Before the second try, unless Kask asks for more; the jitter as all that have failed would come back at once. */
    private const PAUSE_MS = 50;
    private const JITTER_MS = 200;

    private readonly Connection $connection;

    /**
     * @param string $url what is before the keys, such as `https://sessions.example:8081/sessions/v1/`
     * @param int $timeoutMs for a call, with its second try; Kask answers within 2,500
     * @param ?string $ca path of a PEM file with the authorities to trust; those of the system unless given
     * @param ?string $cert path of our certificate's PEM file, for mutual TLS
     * @param ?string $key path of its private key
     */
    public function __construct(
        string $url,
        private readonly int $timeoutMs = 3_000,
        ?string $ca = null,
        ?string $cert = null,
        ?string $key = null,
    ) {
        $this->connection = new Connection($url, $ca, $cert, $key);
    }

    public function get(#[SensitiveParameter] string $key): ?StoredSession
    {
        $answer = $this->ask('GET', $key);
        return $answer->status === 404
            ? null
            : new StoredSession($answer->body, $answer->etag(), $answer->ttlSeconds());
    }

    /**
     * The conditions are for keys of namespaces that Kask's configuration calls `atomic`.
     *
     * @return string the ETag of what is stored now
     * @throws KaskConflict if the condition does not hold
     */
    public function set(
        #[SensitiveParameter] string $key,
        #[SensitiveParameter] string $value,
        int $ttlSeconds,
        ?string $ifMatch = null,
        bool $ifAbsent = false,
    ): string {
        $headers = ['Kask-TTL' => "$ttlSeconds", 'Content-Type' => 'application/octet-stream'];
        if ($ifMatch !== null) {
            $headers['If-Match'] = $ifMatch;
        } elseif ($ifAbsent) {
            $headers['If-None-Match'] = '*';
        }
        return $this->ask('PUT', $key, $headers, $value)->etag();
    }

    /** Renews the expiry, without the value. False if there is no session. */
    public function touch(#[SensitiveParameter] string $key, int $ttlSeconds): bool
    {
        return $this->ask('PATCH', $key, ['Kask-TTL' => "$ttlSeconds"])->status !== 404;
    }

    /**
     * @return bool false while a datacenter has not acknowledged it: Kask repeats it until each has
     * @throws KaskConflict if there is a condition and it does not hold
     */
    public function delete(#[SensitiveParameter] string $key, ?string $ifMatch = null): bool
    {
        return $this->ask('DELETE', $key, $ifMatch === null ? [] : ['If-Match' => $ifMatch])->status !== 503;
    }

    private function ask(
        string $method,
        #[SensitiveParameter] string $key,
        array $headers = [],
        #[SensitiveParameter] ?string $value = null,
    ): Answer {
        $deadlineMs = Connection::nowMs() + $this->timeoutMs;
        $isConditional = isset($headers['If-Match']) || isset($headers['If-None-Match']);
        // Whatever was written or deleted meanwhile would be lost to a value that is sent again; and a condition may
        // not hold any more for what has been done under it. A renewal loses to everything that comes after it.
        $isRepeatable = $method !== 'PUT' && !$isConditional;
        for ($try = 1;; $try++) {
            try {
                $answer = $this->connection->exchange($method, $key, $headers, $value, $deadlineMs);
                return self::accept($method, $isConditional, $answer);
            } catch (KaskUnavailable $unavailable) {
                $isSafe = $isRepeatable || !$unavailable->outcomeUnknown;
                $waitMs = ($unavailable->retryAfterMs ?? self::PAUSE_MS) + random_int(0, self::JITTER_MS);
                if (!$isSafe || $try === self::TRIES || Connection::nowMs() + $waitMs >= $deadlineMs) {
                    throw $unavailable;
                }
                usleep(1_000 * $waitMs);
            }
        }
    }

    private static function accept(string $method, bool $isConditional, #[SensitiveParameter] Answer $answer): Answer
    {
        $status = $answer->status;
        // What a proxy says with 200, such as a page to log in, is no session.
        if ($status === self::SUCCESS[$method] && ($method !== 'GET' || $answer->isValue())) {
            return $answer;
        }
        $problem = $answer->problem();
        // A 404 of a proxy's, or of a URL that is wrong, logs nobody out; and nothing was written.
        if ($method !== 'PUT' && $answer->isAbsence() || $problem === 'delete_pending') {
            return $answer;
        }
        $told = "Kask answered $method with $status" . ($problem === null ? '' : " ($problem)");
        $facts = [$status, $problem, $answer->retryAfterMs()];
        // Of a write under a condition Kask's 503 says that nothing was done; any other can hide anything.
        $outcomeUnknown = $method !== 'GET' && !($isConditional && $status === 503 && $problem === 'unavailable');
        throw match (true) {
            $status >= 500 || $status === 408 => new KaskUnavailable($told, $outcomeUnknown, ...$facts),
            $status === 412 => new KaskConflict($told, ...$facts),
            $status >= 400 && $status !== 404 && $problem !== null => new KaskRefused($told, ...$facts),
            default => new KaskProtocolError($told, ...$facts),
        };
    }
}
