import { Module } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { TracingModule } from '../../tracing/tracing.module.js';
import { NamespacesModule } from '../namespaces/namespaces.module.js';
import { BaseUri } from './base-uri.js';
import { SessionRequests } from './session-requests.js';
import { ValueReader } from './session-value.js';
import { SessionsController } from './sessions.controller.js';
import { ValuesUnderway } from './values-underway.js';

@Module({
  imports: [NamespacesModule, TracingModule],
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
    {
      provide: ValuesUnderway,
      inject: [Settings],
      useFactory: ({ max_value_bytes }: Settings) => new ValuesUnderway(max_value_bytes, 'slow_reader'),
    },
    SessionsController,
    SessionRequests,
  ],
  exports: [BaseUri],
})
export class SessionsModule {}
