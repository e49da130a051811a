//! Formats that servers have by default, by name.

use std::sync::LazyLock;

use super::compile;
use super::compiled::LineFormat;
use super::error::FormatError;

/// A format with a name.
#[derive(Debug)]
pub(in crate::logs) struct KnownFormat {
    pub(in crate::logs) name: &'static str,
    pub(in crate::logs) telling: Telling,
    compiled: LazyLock<Result<LineFormat, FormatError>>,
}

/// Whether lines are told to be in a format without being said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logs) enum Telling {
    /// They are not: other formats look like it.
    Never,
    /// Nothing else looks like them.
    Alone,
    /// They begin as those of the common log format do.
    AmongCommon,
}

impl KnownFormat {
    /// The format; that every one compiles is tested.
    pub(in crate::logs) fn format(&self) -> Option<&LineFormat> {
        self.compiled.as_ref().ok()
    }
}

macro_rules! known {
    ($($(#[$source:meta])+ $name:literal $telling:ident = $text:expr;)+) => {
        /// Every format with a name, the most telling first.
        pub(in crate::logs) static KNOWN: [KnownFormat; 15] = [$(KnownFormat {
            name: $name,
            telling: Telling::$telling,
            compiled: LazyLock::new(|| compile::compile($text, Some($name))),
        }),+];
    };
}

known! {
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>
    "alb" Alone = "urls:$type $time_iso8601 $elb $client_socket $target $latency_part $latency_part \
        $latency_part $status $target_status $received_bytes $bytes_sent \"$request\" \
        \"$http_user_agent\" $ssl_cipher $ssl_protocol $target_group_arn \"$trace_id\" \
        \"$host\"$rest";
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html>
    "elb" Alone = "urls:$time_iso8601 $elb $client_socket $backend $latency_part $latency_part \
        $latency_part $status $backend_status $received_bytes $bytes_sent \"$request\" \
        \"$http_user_agent\" $ssl_cipher $ssl_protocol";
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>
    "s3" Alone = "$bucket_owner $site [$time_local] $remote_addr $requester $request_id \
        $operation $key \"$request\" $status $error_code $bytes_sent $object_size $latency_ms \
        $turn_around_ms \"$http_referer\" \"$http_user_agent\"$rest";
    /// `option httplog` of HAProxy, <https://docs.haproxy.org/2.8/configuration.html#8.2.3>;
    /// captured headers, if any, are read with the queue
    "haproxy" Alone = "haproxy:%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc \
        %ac/%fc/%bc/%sc/%rc %sq/%bq \"%r\"%rest";
    /// `option httplog clf` of HAProxy
    "haproxy-clf" AmongCommon = "haproxy:%ci - - [%trg] \"%r\" %ST %B \"%x\" \"%x\" %cp %ms \"%ft\" \"%b\" \"%s\" \
        %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq %hrl";
    /// <https://istio.io/latest/docs/tasks/observability/logs/access-log/>
    "istio" Alone = "envoy:[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% \
        %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
        %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% \
        %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \
        \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" \
        %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% \
        %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%";
    /// <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#default-format-string>
    "envoy" Alone = "envoy:[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% \
        %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
        %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
        \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";
    /// <https://doc.traefik.io/traefik/observability/access-logs/>
    "traefik" AmongCommon = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
        $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_count \"$router\" \
        \"$server_url\" $latency";
    /// <https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/>
    "ingress-nginx" AmongCommon = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
        $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_length $request_time \
        [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr \
        $upstream_response_length $upstream_response_time $upstream_status $req_id";
    /// `native` of Squid, <https://wiki.squid-cache.org/Features/LogFormat>
    "squid" Alone = "proxy:$msec $latency_ms $remote_addr $cache_result/$status $bytes_sent \
        $request_method $request_uri $user $hierarchy/$peer $content_type";
    /// `main` of the packages of nginx, <https://nginx.org/packages/>
    "main" Never = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
        $body_bytes_sent \"$http_referer\" \"$http_user_agent\" \"$http_x_forwarded_for\"";
    /// `AccessLogValve` of Tomcat, <https://tomcat.apache.org/tomcat-10.1-doc/config/valve.html>
    "tomcat" Never = "tomcat:%h %l %u %t \"%r\" %s %b";
    /// Apache's configuration by default
    "vhost_combined" Never = "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"";
    /// Apache's configuration by default
    "vhost_common" Never = "%v %h %l %u %t \"%r\" %>s %b";
    /// Apache's configuration by default
    "combinedio" Never = "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %I %O";
}

/// The format of a name.
pub(super) fn named(name: &str) -> Option<&'static LineFormat> {
    KNOWN.iter().find(|known| known.name == name)?.format()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_format_compiles() {
        for known in &KNOWN {
            if let Err(error) = &*known.compiled {
                panic!("{}: {error}", known.name);
            }
        }
    }
}
