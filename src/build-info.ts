import { readFileSync } from 'node:fs';

/**
 * What is running, under the names that dashboards and /healthz of the service before this one have; `go_version`
 * names the runtime.
 */
export interface BuildInfo {
  version: string;
  build_date: string;
  build_host: string;
  go_version: string;
}

interface BuildStamp {
  build_date: string;
  build_host: string;
}

const packageFile = new URL('../package.json', import.meta.url);
const stampFile = new URL('../dist/build.json', import.meta.url);

export const buildInfo: Readonly<BuildInfo> = {
  version: (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version,
  ...readStamp(),
  go_version: `node ${process.version}`,
};

/** Written by `npm run build`; sources that are run in tests have none. */
function readStamp(): BuildStamp {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8')) as BuildStamp;
  } catch {
    return { build_date: 'unknown', build_host: 'unknown' };
  }
}
