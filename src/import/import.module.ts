import { type DynamicModule, Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { Settings } from '../config/settings.js';
import { MetricsModule } from '../modules/metrics/metrics.module.js';
import { NamespacesModule } from '../modules/namespaces/namespaces.module.js';
import { StorageModule } from '../modules/storage/storage.module.js';

/** Of the service what keeps sessions, and nothing that listens. */
@Module({})
export class ImportModule {
  static with(settings: Settings, logger: Logger): DynamicModule {
    return {
      module: ImportModule,
      global: true,
      imports: [
        LoggerModule.forRoot({ pinoHttp: { logger }, forRoutes: [] }),
        MetricsModule.register(),
        StorageModule.register(settings.storage),
        NamespacesModule,
      ],
      providers: [{ provide: Settings, useValue: settings }],
      exports: [Settings],
    };
  }
}
