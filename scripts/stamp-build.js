// Writes when and where the build was made, for /healthz and kask_build_info. SOURCE_DATE_EPOCH and BUILD_HOST
// make a build reproducible.
import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

const epoch = process.env.SOURCE_DATE_EPOCH;
const date = epoch ? new Date(Number(epoch) * 1000) : new Date();
const stamp = { build_date: date.toISOString(), build_host: process.env.BUILD_HOST ?? hostname() };
writeFileSync(new URL('../dist/build.json', import.meta.url), JSON.stringify(stamp) + '\n');
