import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import type { Settings } from '../../config/settings.js';
import { Metrics } from '../metrics/metrics.js';
import { CassandraService } from './cassandra/cassandra.service.js';
import { CassandraSessionStore } from './cassandra/cassandra-session-store.js';
import { EmbeddedSessionStore } from './embedded/embedded-session-store.js';
import { MeasuredSessionStore } from './measured-session-store.js';
import { SessionStore } from './session-store.js';

/** Binds the one store that the settings name; nobody else knows which it is. */
@Module({})
export class StorageModule {
  static register(storage: Settings['storage']): DynamicModule {
    const Store = storage === 'embedded' ? EmbeddedSessionStore : CassandraSessionStore;
    const measured: Provider = {
      provide: SessionStore,
      inject: [Store, Metrics],
      useFactory: (store: SessionStore, metrics: Metrics) => new MeasuredSessionStore(store, metrics),
    };
    const providers = storage === 'embedded' ? [Store, measured] : [CassandraService, Store, measured];
    return { module: StorageModule, global: true, providers, exports: [SessionStore] };
  }
}
