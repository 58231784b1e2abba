import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { eventually, Hopeless } from './cassandra/poll.js';
import { freePorts } from './free-ports.js';
import { Guardian } from './guardian.js';
import { requirePrometheus } from './prerequisites.js';

const START_MS = 60_000;

export interface Target {
  job: string;
  /** Such as `127.0.0.1:41234`. */
  address: string;
  labels?: Record<string, string>;
}

export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

export interface EvaluatedRule {
  name: string;
  health: 'ok' | 'err' | 'unknown';
  lastError?: string;
}

/** Debian's Prometheus, which scrapes every second and evaluates rules as their file says. */
export class Prometheus {
  private constructor(
    private readonly child: ChildProcess,
    private readonly guardian: Guardian,
    private readonly origin: string,
  ) {}

  static async start(targets: Target[], rules: string): Promise<Prometheus> {
    requirePrometheus();
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-prometheus-'));
    writeFileSync(path.join(directory, 'rules.yml'), rules);
    writeFileSync(path.join(directory, 'prometheus.yml'), configuration(targets));
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const options = {
      'config.file': 'prometheus.yml',
      'storage.tsdb.path': 'data',
      'web.listen-address': address,
    };
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    const child = spawn('prometheus', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
    const guardian = new Guardian(directory);
    guardian.watch([child.pid as number]);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const prometheus = new Prometheus(child, guardian, `http://${address}`);
    await eventually(async () => {
      if (child.exitCode !== null) throw new Hopeless(`Prometheus ended:\n${said}`);
      if (!(await fetch(`${prometheus.origin}/-/ready`)).ok) throw new Error('Prometheus is not ready');
    }, START_MS);
    return prometheus;
  }

  async query(expression: string): Promise<Sample[]> {
    const { result } = await this.ask<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`);
    return result;
  }

  /** Of all series that there are. */
  metricNames(): Promise<string[]> {
    return this.ask('label/__name__/values');
  }

  async rules(): Promise<EvaluatedRule[]> {
    const { groups } = await this.ask<{ groups: { rules: EvaluatedRule[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
    this.guardian.watch([]);
    await this.guardian.finish();
  }

  private async ask<T>(what: string): Promise<T> {
    const answer = await fetch(`${this.origin}/api/v1/${what}`);
    const { data, error } = (await answer.json()) as { data: T; error?: string };
    if (error !== undefined) throw new Error(`${error}, of ${decodeURIComponent(what)}`);
    return data;
  }
}

function configuration(targets: Target[]): string {
  return stringify({
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: targets.map(({ job, address, labels }) => ({
      job_name: job,
      static_configs: [{ targets: [address], labels }],
    })),
  });
}
