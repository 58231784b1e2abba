import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What came of a call: of `refused` and `unknown` a write may have taken effect, or may do so at any later time. */
export type Outcome = 'ok' | 'refused' | 'unknown';

/** One request of one client. Times are of one monotonic clock for all clients, in ms. */
export interface Call {
  client: string;
  /** Of the service that was asked. */
  datacenter: string;
  operation: 'GET' | 'PUT' | 'DELETE';
  key: string;
  /** The number of the value that was written or found; nothing where none was. */
  value?: number;
  /** Instead of the number: how that begins which is no value of the key, or no whole one. */
  broken?: string;
  start: number;
  end: number;
  /** 0 if there was none. */
  status: number;
  outcome: Outcome;
}

export interface Span {
  from: number;
  to: number;
}

/** What a verdict needs to know of the store and of what happened to it. */
export interface Circumstances {
  store: 'cassandra' | 'embedded';
  seed: number;
  ttlMs: number;
  /** A session may be gone so long before its TTL is over, as the store counts. */
  earlyMs: number;
  /** It may be there so long after. */
  lateMs: number;
  /** Clocks of services of two datacenters differ by no more, rounding included. */
  clockSkewMs: number;
  /** A call without an answer may have been taken up by the service so long after it began. */
  takenUpMs: number;
  /** When a node was frozen. */
  frozen: Span[];
  /** Since when everything was well again. */
  healedAt?: number;
  /** From when on all that was acknowledged since then has to be seen in every datacenter. */
  settledAt?: number;
}

const FOUND = new Set([200, 201, 204, 404]);

export class History {
  readonly calls: Call[] = [];
  private values = 0;

  constructor(readonly circumstances: Circumstances) {}

  static read(file: string): History {
    const [first = '', ...calls] = readFileSync(file, 'utf8').trimEnd().split('\n');
    const history = new History(JSON.parse(first) as Circumstances);
    history.calls.push(...calls.map((line) => JSON.parse(line) as Call));
    return history;
  }

  /** JSON lines: the circumstances, then each call in the order in which they ended. */
  write(file: string): void {
    mkdirSync(path.dirname(file), { recursive: true });
    const lines = [this.circumstances, ...this.calls].map((each) => JSON.stringify(each));
    writeFileSync(file, `${lines.join('\n')}\n`);
  }

  record(call: Omit<Call, 'end' | 'outcome'>): void {
    this.calls.push({ ...call, end: performance.now(), outcome: outcomeOf(call.status) });
  }

  /** A number that no other value has. */
  nextValue(): number {
    return ++this.values;
  }

  keys(): string[] {
    return [...new Set(this.calls.map(({ key }) => key))];
  }

  /** One line for each operation in each datacenter. */
  counts(): string[] {
    const counts = new Map<string, Map<Outcome, number>>();
    for (const { datacenter, operation, outcome } of this.calls) {
      const name = `${datacenter} ${operation}`;
      const of = counts.get(name) ?? new Map<Outcome, number>();
      counts.set(name, of.set(outcome, (of.get(outcome) ?? 0) + 1));
    }
    return [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, of]) => `${name}: ${[...of].map(([outcome, count]) => `${count} ${outcome}`).join(', ')}`);
  }
}

export function outcomeOf(status: number): Outcome {
  if (FOUND.has(status)) return 'ok';
  return status === 503 ? 'refused' : 'unknown';
}
