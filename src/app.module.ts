import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { Settings } from './config/settings.js';
import { HttpConnections } from './http/http-connections.js';
import { HealthModule } from './modules/health/health.module.js';
import { MetricsModule } from './modules/metrics/metrics.module.js';
import { OpenapiModule } from './modules/openapi/openapi.module.js';
import { SessionsModule } from './modules/sessions/sessions.module.js';
import { StorageModule } from './modules/storage/storage.module.js';
import { ProblemFilter } from './problems/problem.filter.js';

/** What there is one of in a process, and was there before the modules. */
@Module({})
class ProcessModule {
  static with(settings: Settings, connections: HttpConnections): DynamicModule {
    const providers = [
      { provide: Settings, useValue: settings },
      { provide: HttpConnections, useValue: connections },
    ];
    return { module: ProcessModule, global: true, providers, exports: [Settings, HttpConnections] };
  }
}

@Module({})
export class AppModule {
  static with(settings: Settings, logger: Logger, connections: HttpConnections): DynamicModule {
    return {
      module: AppModule,
      imports: [
        // Requests are logged by our own hook: pino-http would write their URLs, which are session keys.
        LoggerModule.forRoot({ pinoHttp: { logger }, forRoutes: [] }),
        ProcessModule.with(settings, connections),
        MetricsModule.register(),
        StorageModule.register(settings.storage),
        HealthModule,
        OpenapiModule,
        SessionsModule,
      ],
      providers: [{ provide: APP_FILTER, useClass: ProblemFilter }],
    };
  }
}
