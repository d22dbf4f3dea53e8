"""The application: the lifecycle, the state graph, the orchestrator and the command line."""
