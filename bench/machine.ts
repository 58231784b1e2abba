import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { goVersion } from './go-programs.js';

const BYTES_PER_GIB = 1024 ** 3;
/** In the last five minutes, before anything of ours ran: others who use the machine are in all figures. */
const LOAD_BEFORE = loadavg()[1] as number;

/** What figures depend on. */
export async function describeMachine(cassandra: string): Promise<Record<string, string>> {
  const cores = cpus();
  return {
    CPU: `${cores[0]?.model.trim() ?? 'unknown'}, ${cores.length} cores`,
    Memory: `${(totalmem() / BYTES_PER_GIB).toFixed(0)} GiB`,
    Kernel: `${type()} ${release()}`,
    'Node.js': process.version,
    Go: (await goVersion()).replace('go', ''),
    Cassandra: `${cassandra}, one node`,
    'Load before the run': LOAD_BEFORE.toFixed(2),
  };
}
