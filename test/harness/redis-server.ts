import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts } from './free-ports.js';
import { Guardian } from './guardian.js';
import { requireRedis } from './prerequisites.js';

/** A Redis of its own on loopback, which keeps nothing on disk. */
export class RedisServer {
  private constructor(
    readonly port: number,
    private readonly guardian: Guardian,
  ) {}

  /** @param words of redis.conf, such as `--requirepass` and a password */
  static async start(...words: string[]): Promise<RedisServer> {
    requireRedis();
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-redis-'));
    const [port] = (await freePorts(1)) as [number];
    const settings = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', directory];
    const server = spawn('redis-server', [...settings, ...words], { stdio: ['ignore', 'pipe', 'ignore'] });
    const guardian = new Guardian(directory);
    guardian.watch([server.pid as number]);
    for await (const text of server.stdout.setEncoding('utf8'))
      if (String(text).includes('Ready to accept connections')) return new RedisServer(port, guardian);
    await once(server, 'close');
    throw new Error('redis-server did not start');
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** What `redis-cli` prints. */
  ask(...command: string[]): string {
    const [host, port] = ['127.0.0.1', String(this.port)];
    return execFileSync('redis-cli', ['-h', host, '-p', port, ...command], { encoding: 'utf8' });
  }

  keys(): string[] {
    return this.ask('keys', '*').split('\n').filter(Boolean);
  }

  async stop(): Promise<void> {
    await this.guardian.finish();
  }
}
