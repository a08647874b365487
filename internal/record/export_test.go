package record

// ParamNumber is paramNumber for tests.
var ParamNumber = paramNumber
