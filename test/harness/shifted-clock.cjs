// Required by a service under test: its clock is off by as many ms as the file says that is named here.
const { readFileSync } = require('node:fs');

const now = Date.now;

Date.now = () => now() + Number(readFileSync(process.env.KASK_TEST_CLOCK_SHIFT_FILE, 'utf8'));
