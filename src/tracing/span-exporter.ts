import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { exportRequest } from './otlp.js';
import type { Attributes, Span } from './span.js';

/** Spans that wait for a collector that is slow or away, at most, 1 to 2 kB each: what comes then is dropped and counted. */
const MAX_WAITING = 2_048;
/** So many go in one request, as encoding them holds up all else; fewer once the oldest has waited for so long, in ms. */
const BATCH = 128;
const DELAY_MS = 1_000;
/** A collector may take so long for one request, in ms. */
const TIMEOUT_MS = 10_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** At the end of the process, what still waits has so long to be taken, in ms. */
const LAST_CHANCE_MS = 500;
/** Statuses after which the same may be sent again (OTLP/HTTP, "Retryable Response Codes"). */
const PASSING = new Set([429, 502, 503, 504]);
const MAX_ANSWER_BYTES = 64 * 1024;

/** Sends spans to a collector by OTLP over HTTP, one request after the other, and never at the cost of the service. */
export class SpanExporter {
  private readonly waiting: Span[] = [];
  private readonly agent: http.Agent;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  private retryMs = FIRST_RETRY_MS;
  private isTroubled = false;
  private isEnding = false;

  /** @param drop told how many spans are lost */
  constructor(
    private readonly endpoint: URL,
    private readonly resource: Attributes,
    private readonly version: string,
    private readonly drop: (spans: number) => void,
    private readonly logger: Logger,
  ) {
    const options = { keepAlive: true, maxSockets: 1 };
    this.agent = this.isTls ? new https.Agent(options) : new http.Agent(options);
  }

  add(span: Span): void {
    if (this.waiting.length >= MAX_WAITING) return this.drop(1);
    this.waiting.push(span);
    if (this.sending) return;
    if (this.waiting.length >= BATCH) this.send();
    else this.timer ??= setTimeout(() => this.send(), DELAY_MS).unref();
  }

  /** Resolves when nothing waits any more, and soon in any case. */
  async end(): Promise<void> {
    this.isEnding = true;
    await Promise.race([this.sendRest(), sleep(LAST_CHANCE_MS, undefined, { ref: false })]);
    this.agent.destroy();
  }

  private get isTls(): boolean {
    return this.endpoint.protocol === 'https:';
  }

  private async sendRest(): Promise<void> {
    await this.sending;
    if (this.waiting.length > 0) await this.sendWhileEnough();
  }

  private send(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.sending = this.sendWhileEnough().finally(() => {
      this.sending = undefined;
      if (this.waiting.length > 0) this.timer = setTimeout(() => this.send(), DELAY_MS).unref();
    });
  }

  private async sendWhileEnough(): Promise<void> {
    do {
      const batch = this.waiting.slice(0, BATCH);
      const trouble = await this.post(exportRequest(batch, this.resource, this.version));
      this.tell(trouble);
      if (trouble?.mayPass) await sleep(this.nextRetryMs(), undefined, { ref: false });
      else {
        this.waiting.splice(0, batch.length);
        if (trouble) this.drop(batch.length);
      }
    } while (this.waiting.length >= BATCH || (this.isEnding && this.waiting.length > 0));
  }

  /** Less up to half by chance: many processes do not come back all at once. */
  private nextRetryMs(): number {
    const ms = this.retryMs;
    this.retryMs = Math.min(ms * 2, LAST_RETRY_MS);
    return ms * (0.5 + Math.random() / 2);
  }

  /** Resolves with what went wrong, if anything did. */
  private post(body: string): Promise<Trouble | undefined> {
    return new Promise((resolve) => {
      const request = (this.isTls ? https : http).request(this.endpoint, {
        method: 'POST',
        agent: this.agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const fail = (error: NodeJS.ErrnoException): void =>
        resolve({ reason: error.code ?? error.message, mayPass: true });
      request
        .on('error', fail)
        .on('response', (response) => {
          let answer = '';
          response
            .setEncoding('utf8')
            .on('data', (text: string) => (answer += answer.length < MAX_ANSWER_BYTES ? text : ''))
            .on('error', fail)
            .on('end', () => resolve(this.judge(response.statusCode as number, answer)));
        })
        .end(body);
    });
  }

  private judge(status: number, answer: string): Trouble | undefined {
    if (status >= 300) return { reason: `status ${status}`, mayPass: PASSING.has(status) };
    const rejected = rejectedSpans(answer);
    if (rejected > 0) this.drop(rejected);
    return undefined;
  }

  private tell(trouble: Trouble | undefined): void {
    if (!trouble) this.retryMs = FIRST_RETRY_MS;
    if (this.isTroubled === (trouble !== undefined)) return;
    this.isTroubled = trouble !== undefined;
    if (trouble) this.logger.warn({ msg: 'traces are not taken', reason: trouble.reason });
    else this.logger.info({ msg: 'traces are taken again' });
  }
}

interface Trouble {
  reason: string;
  /** Whether the same may be taken later. */
  mayPass: boolean;
}

/** What a collector took the rest without, as it says in its answer: ExportTracePartialSuccess. */
function rejectedSpans(answer: string): number {
  try {
    const { partialSuccess } = JSON.parse(answer) as { partialSuccess?: { rejectedSpans?: string | number } };
    return Number(partialSuccess?.rejectedSpans ?? 0);
  } catch {
    return 0;
  }
}
