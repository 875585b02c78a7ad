/** What x86-64 processors can do, and machine code for them that the JVM and libraries don't give: written at start, called as a function. */
@NullMarked
package dev.longtake.common.x86;

import org.jspecify.annotations.NullMarked;
