import 'heapgap/preload';
import './report.js';
