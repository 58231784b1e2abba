import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { isAuthenticationRequired } from '../../config/authentication.js';
import { Settings } from '../../config/settings.js';
import { HttpConnections } from '../../http/http-connections.js';
import { AccessGuard } from './access.guard.js';
import { AuthorizationReload } from './authorization-reload.js';
import { AnyCallers, Callers, IdentifiedCallers } from './callers.js';
import { Clients } from './clients.js';

@Global()
@Module({
  providers: [
    {
      provide: Callers,
      inject: [Settings, HttpConnections],
      useFactory: (settings: Settings, connections: HttpConnections): Callers =>
        isAuthenticationRequired(settings)
          ? new IdentifiedCallers(
              new Clients(settings.authorization),
              connections,
              settings.listen_socket !== undefined,
            )
          : new AnyCallers(),
    },
    AccessGuard,
    AuthorizationReload,
    { provide: APP_GUARD, useExisting: AccessGuard },
  ],
  exports: [AccessGuard],
})
export class AccessModule {}
