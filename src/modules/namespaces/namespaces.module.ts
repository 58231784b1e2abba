import { Module } from '@nestjs/common';
import { SessionHash } from '../sessions/session-hash.js';
import { Namespaces } from './namespaces.js';
import { RecentWrites } from './recent-writes.js';

@Module({
  providers: [SessionHash, RecentWrites, Namespaces],
  exports: [SessionHash, RecentWrites, Namespaces],
})
export class NamespacesModule {}
