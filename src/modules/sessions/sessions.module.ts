import { Module } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { HealthModule } from '../health/health.module.js';
import { BaseUri } from './base-uri.js';
import { SessionRequests } from './session-requests.js';
import { ValueReader } from './session-value.js';
import { SessionsController } from './sessions.controller.js';

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
      inject: [Settings],
      useFactory: ({ max_value_bytes }: Settings) => new ValueReader(max_value_bytes),
    },
    SessionsController,
    SessionRequests,
  ],
  exports: [BaseUri],
})
export class SessionsModule {}
