import { Injectable } from '@nestjs/common';
import { SessionStore } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { CassandraService } from './cassandra.service.js';
import { Timestamps } from './timestamps.js';

/** No key of a client's: a probe reads a row that nobody writes, from the replicas that a session would need. */
const PROBE_KEY = 'kask:probe';

/** Sessions in the table that production has: `key text PRIMARY KEY, value blob`. */
@Injectable()
export class CassandraSessionStore extends SessionStore {
  private readonly timestamps = new Timestamps();

  constructor(private readonly cassandra: CassandraService) {
    super();
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.cassandra.run({
      statement: 'get',
      key: Buffer.from(key),
      timestamp: this.timestamps.next(),
    });
  }

  async set(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    await this.cassandra.run({
      statement: 'set',
      key: Buffer.from(key),
      value,
      ttlSeconds,
      timestamp: this.timestamps.next(),
    });
  }

  async delete(key: string): Promise<void> {
    await this.cassandra.run({
      statement: 'delete',
      key: Buffer.from(key),
      timestamp: this.timestamps.next(),
    });
  }

  async probe(): Promise<void> {
    try {
      await this.get(PROBE_KEY);
    } catch (error) {
      // Of a table that was dropped a statement that fails tells little.
      if (error instanceof StorageError && error.kind === 'unavailable') await this.cassandra.requireTable();
      throw error;
    }
  }
}
