import { OTHER_DESCRIPTORS } from '../http/connection-limits.js';
import { Settings } from '../config/settings.js';
import { openFilesFindings } from './this-process.js';

describe('the files that may be open', () => {
  const settings = new Settings();
  const needed = settings.limits.connections + OTHER_DESCRIPTORS;

  it.each([
    [needed, 'ok'],
    [needed - 1, 'warn'],
  ])('are enough if the service would take as many connections as it may: %i', (limit, verdict) => {
    expect(openFilesFindings(settings, limit)).toMatchObject([{ verdict }]);
  });
});
