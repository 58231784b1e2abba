import { Injectable } from '@nestjs/common';
import { Settings } from '../../../config/settings.js';
import { SessionStore } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { CassandraService } from './cassandra.service.js';
import { sessionStatements } from './statements.js';

/** No key of a client's: a probe reads a row that nobody writes, from the replicas that a session would need. */
const PROBE_KEY = 'kask:probe';

/** Sessions in the table that production has: `key text PRIMARY KEY, value blob`. */
@Injectable()
export class CassandraSessionStore extends SessionStore {
  private readonly statements: ReturnType<typeof sessionStatements>;

  constructor(
    private readonly cassandra: CassandraService,
    { cassandra: { keyspace, table } }: Settings,
  ) {
    super();
    this.statements = sessionStatements(keyspace, table);
  }

  async get(key: string): Promise<Buffer | undefined> {
    const result = await this.cassandra.execute(this.statements.get, [key]);
    return (result.first()?.get('value') as Buffer | null | undefined) ?? undefined;
  }

  async set(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    await this.cassandra.execute(this.statements.set, [key, value, ttlSeconds]);
  }

  async delete(key: string): Promise<void> {
    await this.cassandra.execute(this.statements.delete, [key]);
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
