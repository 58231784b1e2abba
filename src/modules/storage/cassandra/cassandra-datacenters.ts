import { Injectable } from '@nestjs/common';
import { type Datacenter, StorageDatacenters } from '../storage-datacenters.js';
import { CassandraService } from './cassandra.service.js';
import { datacentersOf } from './local-datacenter.js';

/** As the driver's connection of control tells of nodes that come and go. */
@Injectable()
export class CassandraDatacenters extends StorageDatacenters {
  constructor(private readonly cassandra: CassandraService) {
    super();
  }

  list(): Datacenter[] {
    const hosts = this.cassandra.knownHosts();
    const local = this.cassandra.connectedHosts()[0]?.datacenter;
    return datacentersOf(hosts).map((name) => {
      const nodes = hosts.filter(({ datacenter }) => datacenter === name);
      const up = nodes.filter((node) => node.isUp()).length;
      return { name, local: name === local, nodes: nodes.length, up };
    });
  }
}
