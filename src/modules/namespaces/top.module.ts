import { Controller, Get, Module } from '@nestjs/common';
import { Requires } from '../access/access.guard.js';
import { NamespacesModule } from './namespaces.module.js';
import { RecentWrites, type Top } from './recent-writes.js';

/** The sessions that are rewritten most, by keyed hashes. */
@Controller('top')
export class TopController {
  constructor(private readonly writes: RecentWrites) {}

  @Get()
  @Requires('metrics')
  show(): Top {
    return this.writes.top();
  }
}

/** For the management port: without one there is no such path. */
@Module({ imports: [NamespacesModule], controllers: [TopController] })
export class TopModule {}
