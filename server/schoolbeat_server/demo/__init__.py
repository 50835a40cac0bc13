"""What `schoolbeat-server demo` adds: a simulated province, and a lab of namespaces with a line that can be cut."""
