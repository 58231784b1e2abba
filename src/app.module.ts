import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { Settings } from './config/settings.js';
import { SettingsSource } from './config/settings-source.js';
import { HttpConnections } from './http/http-connections.js';
import { ManagementPort } from './http/management-port.js';
import { AccessModule } from './modules/access/access.module.js';
import { DocsModule } from './modules/docs/docs.module.js';
import { HealthModule } from './modules/health/health.module.js';
import { MetricsModule } from './modules/metrics/metrics.module.js';
import { TopModule } from './modules/namespaces/top.module.js';
import { OpenapiModule } from './modules/openapi/openapi.module.js';
import { SessionsModule } from './modules/sessions/sessions.module.js';
import { StorageModule } from './modules/storage/storage.module.js';
import { ProblemFilter } from './problems/problem.filter.js';

/** What there is one of in a process, and was there before the modules. */
interface Process {
  settings: Settings;
  source: SettingsSource;
  connections: HttpConnections;
  management: ManagementPort;
}

@Module({})
class ProcessModule {
  static with({ settings, source, connections, management }: Process): DynamicModule {
    const providers = [
      { provide: Settings, useValue: settings },
      { provide: SettingsSource, useValue: source },
      { provide: HttpConnections, useValue: connections },
      { provide: ManagementPort, useValue: management },
    ];
    const exports = providers.map(({ provide }) => provide);
    return { module: ProcessModule, global: true, providers, exports };
  }
}

@Module({})
export class AppModule {
  static with(logger: Logger, process: Process): DynamicModule {
    return {
      module: AppModule,
      imports: [
        // Requests are logged by our own hook: pino-http would write their URLs, which are session keys.
        LoggerModule.forRoot({ pinoHttp: { logger }, forRoutes: [] }),
        ProcessModule.with(process),
        MetricsModule.register(),
        AccessModule,
        StorageModule.register(process.settings.storage),
        HealthModule,
        OpenapiModule,
        SessionsModule,
        ...(process.settings.management ? [TopModule] : []),
        ...(process.settings.docs_page ? [DocsModule] : []),
      ],
      providers: [{ provide: APP_FILTER, useClass: ProblemFilter }],
    };
  }
}
