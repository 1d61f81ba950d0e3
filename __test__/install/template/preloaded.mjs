// The same service, put on jemalloc by its first line.
import 'heapgap/preload';
import './service.cjs';
