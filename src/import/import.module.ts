import { type DynamicModule, Global, Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { Settings } from '../config/settings.js';
import { MetricsModule } from '../modules/metrics/metrics.module.js';
import { NamespacesModule } from '../modules/namespaces/namespaces.module.js';
import { StorageModule } from '../modules/storage/storage.module.js';

@Global()
@Module({})
class SettingsModule {
  static with(settings: Settings): DynamicModule {
    const provider = { provide: Settings, useValue: settings };
    return { module: SettingsModule, providers: [provider], exports: [Settings] };
  }
}

/** Of the service what keeps sessions, and nothing that listens. */
@Module({})
export class ImportModule {
  static with(settings: Settings, logger: Logger): DynamicModule {
    return {
      module: ImportModule,
      imports: [
        LoggerModule.forRoot({ pinoHttp: { logger }, forRoutes: [] }),
        SettingsModule.with(settings),
        MetricsModule.register(),
        StorageModule.register(settings.storage),
        NamespacesModule,
      ],
    };
  }
}
