import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from './cassandra/poll.js';
import { connect } from 'node:net';
import { freePorts } from './free-ports.js';
import { Guardian } from './guardian.js';
import { requireRedis } from './prerequisites.js';
import { RedisConnection } from '../../src/import/redis-connection.js';
import { parseRedisAddress, type RedisAddress } from '../../src/import/redis-address.js';

const DEADLINE_MS = 20_000;

/** Debian's redis-server as a process of its own, which keeps nothing. */
export class Redis {
  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
    private readonly guardian: Guardian,
  ) {}

  /** @param words as in redis.conf, such as `--requirepass`, `secret` */
  static async start(words: string[] = [], port?: number): Promise<Redis> {
    requireRedis();
    const taken = port ?? ((await freePorts(1))[0]);
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-redis-'));
    const settings = ['--port', String(taken), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
    const child = spawn('redis-server', [...settings, ...words], { stdio: 'ignore' });
    const guardian = new Guardian(directory);
    guardian.watch([child.pid as number]);
    const redis = new Redis(taken, child, guardian);
    await eventually(() => redis.answers(), DEADLINE_MS);
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** A connection, for tests to fill it. */
  connect(password?: string): Promise<RedisConnection> {
    return RedisConnection.open(parseRedisAddress(this.url) as RedisAddress, { password });
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null) await once(this.child, 'exit');
    this.guardian.watch([]);
    await this.guardian.finish();
  }

  /** Also who wants a password first is there. */
  private async answers(): Promise<void> {
    const socket = connect(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
    } finally {
      socket.destroy();
    }
  }
}
