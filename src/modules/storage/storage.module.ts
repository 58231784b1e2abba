import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Settings } from '../../config/settings.js';
import { Metrics } from '../metrics/metrics.js';
import { MeasuredSessionStore } from './measured-session-store.js';
import { SealedSessionStore } from './sealed/sealed-session-store.js';
import { SessionStore } from './session-store.js';
import { StorageClock } from './storage-clock.js';
import { StorageDatacenters } from './storage-datacenters.js';

/** Binds the one store that the settings name; nobody else knows which it is. */
@Module({})
export class StorageModule {
  static async register(storage: Settings['storage']): Promise<DynamicModule> {
    const [Store, ...neededByIt] = await STORES[storage]();
    const outermost: Provider = {
      provide: SessionStore,
      inject: [Store, Settings, Metrics, PinoLogger],
      useFactory: (store: SessionStore, settings: Settings, metrics: Metrics, logger: PinoLogger) =>
        sealed(new MeasuredSessionStore(store, metrics), settings, metrics, logger),
    };
    return {
      module: StorageModule,
      global: true,
      providers: [Store, ...neededByIt, outermost],
      exports: [SessionStore, StorageClock, StorageDatacenters],
    };
  }
}

/** Without encryption nothing stands between. */
function sealed(store: SessionStore, settings: Settings, metrics: Metrics, logger: PinoLogger): SessionStore {
  const { encryption } = settings;
  return encryption ? new SealedSessionStore(store, encryption, settings, metrics, logger) : store;
}

/** A store, then what it needs. Only that one is loaded: the other brings a driver or a database for nothing. */
const STORES: Record<Settings['storage'], () => Promise<[Type<SessionStore>, ...Provider[]]>> = {
  cassandra: async () => {
    const { CassandraDatacenters } = await import('./cassandra/cassandra-datacenters.js');
    const { CassandraService } = await import('./cassandra/cassandra.service.js');
    const { CassandraSessionStore } = await import('./cassandra/cassandra-session-store.js');
    const { PendingDeletes } = await import('./cassandra/pending-deletes.js');
    const { ConditionalWrites } = await import('./cassandra/conditional-writes.js');
    const { Timestamps } = await import('./cassandra/timestamps.js');
    const { ClusterClock } = await import('./cassandra/cluster-clock.js');
    const clock = { provide: StorageClock, useExisting: ClusterClock };
    const datacenters = { provide: StorageDatacenters, useClass: CassandraDatacenters };
    return [
      CassandraSessionStore,
      PendingDeletes,
      ConditionalWrites,
      ClusterClock,
      clock,
      Timestamps,
      CassandraService,
      datacenters,
    ];
  },
  embedded: async () => {
    const { EmbeddedSessionStore } = await import('./embedded/embedded-session-store.js');
    return [
      EmbeddedSessionStore,
      { provide: StorageClock, useValue: null },
      { provide: StorageDatacenters, useValue: null },
    ];
  },
};
