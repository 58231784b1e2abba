import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { isAuthenticationRequired } from '../../config/authentication.js';
import { Settings } from '../../config/settings.js';
import { AccessGuard } from './access.guard.js';
import { AuthorizationReload } from './authorization-reload.js';
import { AnyCallers, Callers, IdentifiedCallers } from './callers.js';
import { Clients } from './clients.js';

@Global()
@Module({
  providers: [
    {
      provide: Callers,
      inject: [Settings],
      useFactory: (settings: Settings): Callers =>
        isAuthenticationRequired(settings)
          ? new IdentifiedCallers(new Clients(settings.authorization), settings.listen_socket !== undefined)
          : new AnyCallers(),
    },
    AccessGuard,
    AuthorizationReload,
    { provide: APP_GUARD, useExisting: AccessGuard },
  ],
  exports: [AccessGuard],
})
export class AccessModule {}
