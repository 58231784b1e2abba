import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import type { Settings } from '../../config/settings.js';
import { Metrics } from '../metrics/metrics.js';
import { MeasuredSessionStore } from './measured-session-store.js';
import { SessionStore } from './session-store.js';
import { StorageClock } from './storage-clock.js';

/** Binds the one store that the settings name; nobody else knows which it is. */
@Module({})
export class StorageModule {
  static async register(storage: Settings['storage']): Promise<DynamicModule> {
    const [Store, ...neededByIt] = await STORES[storage]();
    const measured: Provider = {
      provide: SessionStore,
      inject: [Store, Metrics],
      useFactory: (store: SessionStore, metrics: Metrics) => new MeasuredSessionStore(store, metrics),
    };
    return {
      module: StorageModule,
      global: true,
      providers: [Store, ...neededByIt, measured],
      exports: [SessionStore, StorageClock],
    };
  }
}

/** A store, then what it needs. Only that one is loaded: the other brings a driver or a database for nothing. */
const STORES: Record<Settings['storage'], () => Promise<[Type<SessionStore>, ...Provider[]]>> = {
  cassandra: async () => {
    const { CassandraService } = await import('./cassandra/cassandra.service.js');
    const { CassandraSessionStore } = await import('./cassandra/cassandra-session-store.js');
    const { PendingDeletes } = await import('./cassandra/pending-deletes.js');
    const { Timestamps } = await import('./cassandra/timestamps.js');
    const { ClusterClock } = await import('./cassandra/cluster-clock.js');
    const clock = { provide: StorageClock, useExisting: ClusterClock };
    return [CassandraSessionStore, PendingDeletes, ClusterClock, clock, Timestamps, CassandraService];
  },
  embedded: async () => {
    const { EmbeddedSessionStore } = await import('./embedded/embedded-session-store.js');
    return [EmbeddedSessionStore, { provide: StorageClock, useValue: null }];
  },
};
