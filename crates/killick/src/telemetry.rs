//! Log lines and traces of a running killick. What is written names requests, agents, actions and codes; never a key, a
//! token or a value that somebody supplied.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{Config, LogFormat};
use crate::output::Failure;

/// What keeps telemetry going, and through which the level can be changed.
pub struct Telemetry {
    level: reload::Handle<EnvFilter, Registry>,
    traces: Option<SdkTracerProvider>,
}

/// Starts to write log lines on stderr and, if configured, to export traces. Once per process, within a runtime.
pub fn start(config: &Config) -> Result<Telemetry, Failure> {
    let (filter, level) = reload::Layer::new(filter(&config.log.level)?);
    let traces = config.telemetry.otlp_endpoint.as_deref().map(exporter).transpose()?;
    let lines = match config.log.format {
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(
                std::io::IsTerminal::is_terminal(&std::io::stderr())
                    && std::env::var_os("NO_COLOR").is_none(),
            )
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).boxed(),
    };
    let spans = traces
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("killick")));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(spans)
        .try_init()
        .map_err(|error| Failure::check("telemetry", format!("logging was started before: {error}")))?;
    Ok(Telemetry { level, traces })
}

impl Telemetry {
    /// Changes the level of log lines.
    pub fn set_level(&self, level: &str) -> Result<(), Failure> {
        let filter = filter(level)?;
        self.level
            .reload(filter)
            .map_err(|error| Failure::check("telemetry", format!("the log level stays as it was: {error}")))
    }

    /// Sends what is left of the traces.
    pub async fn stop(self) {
        if let Some(traces) = self.traces {
            // Waits for the exporter, which works on this runtime: so not on one of its workers.
            let _ = tokio::task::spawn_blocking(move || traces.shutdown()).await;
        }
    }
}

fn filter(level: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(level).map_err(|error| {
        Failure::usage("config.invalid", format!("[log] level `{level}` is no filter: {error}"))
    })
}

fn exporter(endpoint: &str) -> Result<SdkTracerProvider, Failure> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| {
            Failure::check("telemetry", format!("traces cannot be exported to {endpoint}: {error}"))
                .mend("correct [telemetry] otlp_endpoint, or remove it")
        })?;
    let exporter =
        OnRuntime { inner: std::sync::Arc::new(exporter), runtime: tokio::runtime::Handle::current() };
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("killick").build())
        .build())
}

/// The batch processor has a thread of its own, where no runtime is; the exporter's HTTP client needs one.
#[derive(Debug)]
struct OnRuntime {
    inner: std::sync::Arc<opentelemetry_otlp::SpanExporter>,
    runtime: tokio::runtime::Handle,
}

impl SpanExporter for OnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let inner = std::sync::Arc::clone(&self.inner);
        let sent = self.runtime.spawn(async move { inner.export(batch).await });
        sent.await
            .map_err(|error| opentelemetry_sdk::error::OTelSdkError::InternalFailure(error.to_string()))?
    }
}
