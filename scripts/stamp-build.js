// Writes when and where the build was made, for /healthz and kask_build_info. SOURCE_DATE_EPOCH and BUILD_HOST
// make a build reproducible. Makes the service a command: its first line has the flags of Node that it wants.
import { chmodSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

const epoch = process.env.SOURCE_DATE_EPOCH;
const date = epoch ? new Date(Number(epoch) * 1000) : new Date();
const stamp = { build_date: date.toISOString(), build_host: process.env.BUILD_HOST ?? hostname() };
writeFileSync(new URL('../dist/build.json', import.meta.url), JSON.stringify(stamp) + '\n');
chmodSync(new URL('../dist/main.js', import.meta.url), 0o755);
