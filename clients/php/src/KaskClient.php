<?php

declare(strict_types=1);

namespace Kask;

use CurlHandle;
use SensitiveParameter;

/** Reads and writes sessions. Absent is null or false, and whatever else is wrong is a KaskException. */
final class KaskClient
{
    private const CONNECT_TIMEOUT_MS = 1_200;
    private const TRIES = 2;
    private const SUCCESS = ['GET' => 200, 'PUT' => 201, 'PATCH' => 204, 'DELETE' => 204];
    /** Before the second try, within this and twice this: all that have failed would come back at once. */
    private const PAUSE_MS = 50;

    private readonly string $url;
    private readonly array $tls;
    private ?CurlHandle $connection = null;

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
        $this->url = rtrim($url, '/') . '/';
        $this->tls = array_filter([CURLOPT_CAINFO => $ca, CURLOPT_SSLCERT => $cert, CURLOPT_SSLKEY => $key]);
    }

    public function get(#[SensitiveParameter] string $key): ?StoredSession
    {
        $answer = $this->ask('GET', $key);
        if ($answer->status === 404) {
            return null;
        }
        return new StoredSession(
            $answer->body,
            $answer->headers['etag'] ?? '',
            (int) ($answer->headers['kask-ttl'] ?? 0),
        );
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
        $headers = ["Kask-TTL: $ttlSeconds", 'Content-Type: application/octet-stream'];
        if ($ifMatch !== null) {
            $headers[] = "If-Match: $ifMatch";
        } elseif ($ifAbsent) {
            $headers[] = 'If-None-Match: *';
        }
        return $this->ask('PUT', $key, $headers, $value)->headers['etag'] ?? '';
    }

    /** Renews the expiry, without the value. False if there is no session. */
    public function touch(#[SensitiveParameter] string $key, int $ttlSeconds): bool
    {
        return $this->ask('PATCH', $key, ["Kask-TTL: $ttlSeconds"])->status !== 404;
    }

    /**
     * @return bool false while a datacenter has not acknowledged it: Kask repeats it until each has
     * @throws KaskConflict if there is a condition and it does not hold
     */
    public function delete(#[SensitiveParameter] string $key, ?string $ifMatch = null): bool
    {
        return $this->ask('DELETE', $key, $ifMatch === null ? [] : ["If-Match: $ifMatch"])->status === 204;
    }

    private function ask(
        string $method,
        #[SensitiveParameter] string $key,
        array $headers = [],
        #[SensitiveParameter] ?string $value = null,
    ): Answer {
        $deadline = self::nowMs() + $this->timeoutMs;
        for ($try = 1;; $try++) {
            try {
                return self::accept($method, $this->send($method, $key, $headers, $value, $deadline));
            } catch (KaskUnavailable $unavailable) {
                // Whatever was written or deleted meanwhile would be lost to a write that is done again; and a
                // condition may not hold any more for what has been done under it.
                $isRepeatable = $method === 'GET' || $method === 'DELETE' && $headers === [];
                $isSafe = $isRepeatable || !$unavailable->outcomeUnknown;
                if (!$isSafe || $try === self::TRIES || self::nowMs() + 2 * self::PAUSE_MS >= $deadline) {
                    throw $unavailable;
                }
                usleep(1_000 * random_int(self::PAUSE_MS, 2 * self::PAUSE_MS));
            }
        }
    }

    private function send(
        string $method,
        #[SensitiveParameter] string $key,
        array $headers,
        #[SensitiveParameter] ?string $value,
        int $deadline,
    ): Answer {
        $received = [];
        $this->connection ??= curl_init();
        // Options go, connections stay.
        curl_reset($this->connection);
        curl_setopt_array($this->connection, $this->tls + [
            CURLOPT_URL => $this->url . rawurlencode($key),
            CURLOPT_PATH_AS_IS => true,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            // One that the environment names would see session keys.
            CURLOPT_PROXY => '',
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => [...$headers, 'Expect:'],
            CURLOPT_CONNECTTIMEOUT_MS => self::CONNECT_TIMEOUT_MS,
            CURLOPT_TIMEOUT_MS => max(1, $deadline - self::nowMs()),
            CURLOPT_NOSIGNAL => true,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_HEADERFUNCTION => static function (CurlHandle $curl, string $line) use (&$received): int {
                [$name, $content] = explode(':', $line, 2) + [1 => ''];
                $received[strtolower($name)] = trim($content);
                return strlen($line);
            },
        ]);
        if ($value !== null) {
            $sent = 0;
            curl_setopt_array($this->connection, [
                CURLOPT_UPLOAD => true,
                CURLOPT_INFILESIZE => strlen($value),
                // CURLOPT_POSTFIELDS are sent again, unasked, if a connection that was used before ends without answer.
                CURLOPT_READFUNCTION => static function ($curl, $file, int $most) use ($value, &$sent): string {
                    $part = substr($value, $sent, $most);
                    $sent += strlen($part);
                    return $part;
                },
            ]);
        }
        $body = curl_exec($this->connection);
        if ($body === false) {
            $wasSent = curl_getinfo($this->connection, CURLINFO_PRETRANSFER_TIME_T) > 0;
            $reason = curl_strerror(curl_errno($this->connection));
            throw new KaskUnavailable("Kask does not answer: $reason", $wasSent);
        }
        return new Answer(curl_getinfo($this->connection, CURLINFO_RESPONSE_CODE), $received, $body);
    }

    private static function accept(string $method, #[SensitiveParameter] Answer $answer): Answer
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
        throw match (true) {
            // A 503 of Kask's says that nothing was done; a proxy's can hide anything.
            $status >= 500 => new KaskUnavailable($told, $status !== 503 || $problem === null, $status, $problem),
            $status === 412 => new KaskConflict($told, $status, $problem),
            $status >= 400 && $status !== 404 && $problem !== null => new KaskRefused($told, $status, $problem),
            default => new KaskProtocolError($told, $status, $problem),
        };
    }

    private static function nowMs(): int
    {
        return intdiv(hrtime(true), 1_000_000);
    }
}
