import { Module } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { BaseUri } from './base-uri.js';
import { SessionRequests } from './session-requests.js';
import { ValueReader } from './session-value.js';
import { SessionsController } from './sessions.controller.js';

@Module({
  providers: [
    { provide: BaseUri, inject: [Settings], useFactory: ({ base_uri }: Settings) => new BaseUri(base_uri) },
    {
      provide: ValueReader,
      inject: [Settings],
      useFactory: ({ max_value_bytes }: Settings) => new ValueReader(max_value_bytes),
    },
    SessionsController,
    SessionRequests,
  ],
})
export class SessionsModule {}
