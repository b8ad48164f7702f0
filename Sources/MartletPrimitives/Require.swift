// Errors of our own end the process, which starts anew from disk. A release build prints nothing of a `precondition`: whoever
// reads the log would not learn why the server has gone.

/// Ends the process unless `condition` holds, with words that are printed in every build.
@inlinable
public func require(
    _ condition: Bool, _ words: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) {
    if !condition { ourFault(words(), file: file, line: line) }
}

/// Ends the process where nothing can come by any input, with words that are printed in every build.
@inlinable
public func ourFault(_ words: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line) -> Never {
    fatalError(words(), file: file, line: line)
}
