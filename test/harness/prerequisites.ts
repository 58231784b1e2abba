import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** What Cassandra 5.0 runs on: its other releases of Java are not supported and mostly do not start. */
const JAVA_RELEASES = [11, 17];

/** Something that has to be there before the tests can run: the message is the whole story, so no stack. */
export class MissingPrerequisite extends Error {
  override readonly name = 'MissingPrerequisite';

  constructor(message: string) {
    super(message);
    this.stack = `${this.name}: ${message}`;
  }
}

/** Whether a command is on the PATH; it is not run. */
export function commandExists(command: string): boolean {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders.some((folder) => isExecutable(path.join(folder, command)));
}

/** The `java` to run Cassandra with: that of JAVA_HOME, or else the one on the PATH. */
export function requireJava(): string {
  const home = process.env.JAVA_HOME;
  const java = home ? path.join(home, 'bin/java') : 'java';
  const release = javaRelease(java);
  if (release !== undefined && JAVA_RELEASES.includes(release)) return java;
  const found = release === undefined ? '' : ` (${java} is ${release}; JAVA_HOME may name another)`;
  throw new MissingPrerequisite(
    `Java 17 is needed for Cassandra${found}: apt-get install openjdk-17-jre-headless`,
  );
}

export function requireMaven(): void {
  requireCommand('mvn', 'Maven is needed to fetch Cassandra the first time: apt-get install maven');
}

export function requireOpenssl(): void {
  requireCommand('openssl', 'The openssl command is needed for test certificates: apt-get install openssl');
}

export function requireSlowhttptest(): void {
  requireCommand('slowhttptest', 'slowhttptest is needed for slow clients: apt-get install slowhttptest');
}

export function requireTestssl(): void {
  requireCommand('testssl', 'testssl.sh is needed to look at TLS: apt-get install testssl.sh');
}

/** For the image: Debian's, and root's rights, without which one wants more of the machine than a test should. */
export function requireContainerTools(): void {
  for (const command of ['buildah', 'podman', 'runc', 'mmdebstrap'])
    requireCommand(
      command,
      `${command} is needed for the image: apt-get install buildah podman runc mmdebstrap`,
    );
  if (process.getuid?.() !== 0) throw new MissingPrerequisite('The image is built and run as root');
}

export function requirePrometheus(): void {
  requireCommand('promtool', 'promtool is needed to check files of Prometheus: apt-get install prometheus');
}

/** The path of it. */
export function requireChromium(): string {
  requireCommand('chromium', 'Chromium is needed to look at the page: apt-get install chromium');
  return '/usr/bin/chromium';
}

export function requirePython(): void {
  requireCommand('python3', 'Python is needed to check files: apt-get install python3-venv');
}

export function requireRedis(): void {
  for (const command of ['redis-server', 'redis-cli'])
    requireCommand(command, `${command} is needed, whose sessions move: apt-get install redis-server`);
}

export function requireRsyslog(): void {
  requireCommand(
    'rsyslogd',
    'rsyslog with TLS is needed to receive logs: apt-get install rsyslog rsyslog-gnutls',
  );
}

function requireCommand(command: string, message: string): void {
  if (!commandExists(command)) throw new MissingPrerequisite(message);
}

/** 17 of `openjdk version "17.0.15" 2025-04-15`, which Java prints to stderr; Java 8 calls itself 1.8. */
function javaRelease(java: string): number | undefined {
  const { stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' });
  const release = / version "(?:1\.)?(\d+)/.exec(stderr ?? '')?.[1];
  return release === undefined ? undefined : Number(release);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
