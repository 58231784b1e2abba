// The rules that settings have, each from its own file: the index of class-validator loads 300 more, the patterns of
// telephone numbers and postal codes among them, which take a tenth of the time and of the memory of a start.
export { ArrayNotEmpty } from 'class-validator/cjs/decorator/array/ArrayNotEmpty.js';
export { IsIn } from 'class-validator/cjs/decorator/common/IsIn.js';
export { IsOptional } from 'class-validator/cjs/decorator/common/IsOptional.js';
export { ValidateBy } from 'class-validator/cjs/decorator/common/ValidateBy.js';
export { ValidateIf } from 'class-validator/cjs/decorator/common/ValidateIf.js';
export { Max } from 'class-validator/cjs/decorator/number/Max.js';
export { Min } from 'class-validator/cjs/decorator/number/Min.js';
export { IsArray } from 'class-validator/cjs/decorator/typechecker/IsArray.js';
export { IsInt } from 'class-validator/cjs/decorator/typechecker/IsInt.js';
export { Validator } from 'class-validator/cjs/validation/Validator.js';
