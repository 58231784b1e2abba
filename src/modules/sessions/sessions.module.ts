import { Module } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { HttpConnections } from '../../http/http-connections.js';
import { HealthModule } from '../health/health.module.js';
import { BaseUri } from './base-uri.js';
import { SessionHash } from './session-hash.js';
import { SessionRequests } from './session-requests.js';
import { ValueReader } from './session-value.js';
import { SessionsController } from './sessions.controller.js';
import { ValuesUnderway } from './values-underway.js';

@Module({
  imports: [HealthModule],
  providers: [
    {
      provide: BaseUri,
      inject: [Settings],
      useFactory: ({ base_uri, problem_instance }: Settings) => new BaseUri(base_uri, problem_instance),
    },
    {
      provide: ValueReader,
      inject: [Settings, HttpConnections],
      useFactory: ({ max_value_bytes }: Settings, connections: HttpConnections) =>
        new ValueReader(max_value_bytes, connections),
    },
    {
      provide: ValuesUnderway,
      inject: [Settings, HttpConnections],
      useFactory: ({ max_value_bytes }: Settings, connections: HttpConnections) =>
        new ValuesUnderway(max_value_bytes, ({ request }) => connections.of(request).close('slow_reader')),
    },
    SessionHash,
    SessionsController,
    SessionRequests,
  ],
  exports: [BaseUri],
})
export class SessionsModule {}
