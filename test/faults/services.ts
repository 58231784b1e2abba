import { KaskProcess } from '../harness/kask.js';
import { readiness, untilReady } from '../harness/readiness.js';
import { ATOMIC } from './race-to-create.js';

const PROBE_EVERY_MS = 200;
/** From SIGTERM on, still serving: longer than a probe needs to see it, in ms. */
const SHUTDOWN_DELAY_MS = 1_000;

/** The processes of the service in one datacenter, and whoever balances the load between those that are ready. */
export class Services {
  readonly processes: KaskProcess[] = [];
  private readonly ready = new Set<KaskProcess>();
  private readonly leaving = new Set<KaskProcess>();
  private readonly timer = setInterval(() => void this.probeAll(), PROBE_EVERY_MS);
  private turn = 0;

  constructor(private readonly cassandra: () => Record<string, unknown>) {}

  /** Resolves once it listens, whatever the storage does. */
  async start(): Promise<void> {
    const settings = {
      cassandra: this.cassandra(),
      namespaces: ATOMIC,
      shutdown_delay_ms: SHUTDOWN_DELAY_MS,
    };
    this.processes.push(await KaskProcess.start(settings));
  }

  /** In order, as an update of a deployment does it. */
  async leave(kask: KaskProcess): Promise<void> {
    this.leaving.add(kask);
    const code = await kask.stop();
    this.processes.splice(this.processes.indexOf(kask), 1);
    this.ready.delete(kask);
    if (code !== 0)
      throw new Error(`a process of the service left with ${code}: ${kask.stdout.slice(-1_000)}`);
  }

  async untilReady(): Promise<void> {
    await Promise.all(this.processes.map((kask) => untilReady(kask)));
    await this.probeAll();
  }

  /** Who gets the next request. With none ready it is any that stays: Kubernetes would refuse for them. */
  next(): KaskProcess {
    const candidates =
      this.ready.size > 0 ? [...this.ready] : this.processes.filter((each) => !this.leaving.has(each));
    return candidates[this.turn++ % candidates.length] as KaskProcess;
  }

  /** What its processes complained of from a moment on, in ms since 1970, a line each. */
  complaints(since: number): string[] {
    return this.processes
      .flatMap(({ stdout }) => stdout.split('\n'))
      .filter((line) => /"level":"(WARNING|ERROR|FATAL)"/.test(line))
      .filter((line) => Date.parse(/"time":"([^"]+)"/.exec(line)?.[1] ?? '') >= since);
  }

  async kill(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.processes.map((kask) => kask.kill()));
  }

  private async probeAll(): Promise<void> {
    await Promise.all(this.processes.map((kask) => this.probe(kask)));
  }

  private async probe(kask: KaskProcess): Promise<void> {
    const { status } = await readiness(kask).catch(() => ({ status: 0 }));
    if (status === 200 && this.processes.includes(kask)) this.ready.add(kask);
    else this.ready.delete(kask);
  }
}
