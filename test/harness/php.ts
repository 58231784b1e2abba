import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { commandExists, MissingPrerequisite } from './prerequisites.js';

// Debian's tree runs in place: a wiki writes only where its own settings file says.
export const MEDIAWIKI = '/usr/share/mediawiki';
const EXTENSIONS = ['pdo_sqlite', 'mbstring', 'xml', 'intl', 'curl'];
const PACKAGES = 'mediawiki php-cli php-sqlite3 php-mbstring php-xml php-intl php-curl';

export function requireMediaWiki(): void {
  const tree = existsSync(`${MEDIAWIKI}/maintenance/install.php`) ? [] : [MEDIAWIKI];
  const missing = [...(commandExists('php') ? missingExtensions() : ['php']), ...tree];
  if (missing.length === 0) return;
  throw new MissingPrerequisite(
    `MediaWiki's tests lack ${missing.join(', ')}: apt-get install --no-install-recommends ${PACKAGES}`,
  );
}

export function requirePhp(): void {
  if (commandExists('php') && missingExtensions().length === 0) return;
  throw new MissingPrerequisite(
    `PHP is needed, with curl: apt-get install --no-install-recommends ${PACKAGES}`,
  );
}

export function requirePhpRedis(): void {
  if (extensionsOfPhp().includes('redis')) return;
  throw new MissingPrerequisite("PHP's client of Redis is needed: apt-get install php-redis");
}

/** Runs a PHP script to its end and gives what it printed. */
export function runPhp(args: string[], env: NodeJS.ProcessEnv, input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const maxBuffer = 64 * 1024 * 1024;
    const php = execFile('php', args, { env, maxBuffer }, (error, stdout, stderr) => {
      if (error) reject(new Error(`php ${args[0]} failed: ${stdout}${stderr}`));
      else resolve(stdout);
    });
    php.stdin?.end(input);
  });
}

function missingExtensions(): string[] {
  const loaded = extensionsOfPhp();
  return EXTENSIONS.filter((extension) => !loaded.includes(extension));
}

function extensionsOfPhp(): string[] {
  return spawnSync('php', ['-m'], { encoding: 'utf8' }).stdout.toLowerCase().split('\n');
}
