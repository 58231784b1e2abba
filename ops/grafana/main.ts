import { writeFileSync } from 'node:fs';
import { dashboard } from './dashboard.js';

writeFileSync('ops/grafana/kask.json', `${JSON.stringify(dashboard, undefined, 2)}\n`);
