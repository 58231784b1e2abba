import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, RouterModule } from '@nestjs/core';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { Settings } from './config/settings.js';
import { HealthModule } from './modules/health/health.module.js';
import { MetricsModule } from './modules/metrics/metrics.module.js';
import { OpenapiModule } from './modules/openapi/openapi.module.js';
import { SessionsModule } from './modules/sessions/sessions.module.js';
import { StorageModule } from './modules/storage/storage.module.js';
import { ProblemFilter } from './problems/problem.filter.js';

@Module({})
class SettingsModule {
  static with(settings: Settings): DynamicModule {
    return {
      module: SettingsModule,
      global: true,
      providers: [{ provide: Settings, useValue: settings }],
      exports: [Settings],
    };
  }
}

@Module({})
export class AppModule {
  static with(settings: Settings, logger: Logger, sessionsRoute: string): DynamicModule {
    return {
      module: AppModule,
      imports: [
        // Requests are logged by our own hook: pino-http would write their URLs, which are session keys.
        LoggerModule.forRoot({ pinoHttp: { logger }, forRoutes: [] }),
        SettingsModule.with(settings),
        MetricsModule.register(),
        StorageModule.register(settings.storage),
        HealthModule,
        OpenapiModule,
        SessionsModule,
        RouterModule.register([{ path: sessionsRoute, module: SessionsModule }]),
      ],
      providers: [{ provide: APP_FILTER, useClass: ProblemFilter }],
    };
  }
}
